FROM limpet-standin:root
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends busybox prometheus >/dev/null \
 && ln -s /bin/busybox /usr/local/bin/wget \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
 && install --directory --owner nobody --group nogroup /prometheus
USER nobody
VOLUME /prometheus
WORKDIR /prometheus
EXPOSE 9090
ENTRYPOINT ["/bin/prometheus"]
