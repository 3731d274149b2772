FROM limpet-standin:root
RUN apt-get update -qq \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends rabbitmq-server >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
 && install --directory --owner rabbitmq --group rabbitmq /etc/rabbitmq/conf.d
# Its own scripts, not those that Debian puts around them: the log goes to the console.
ENV PATH=/usr/lib/rabbitmq/bin:$PATH HOME=/var/lib/rabbitmq LANG=C.UTF-8 RABBITMQ_LOGS=-
VOLUME /var/lib/rabbitmq
EXPOSE 5672
USER rabbitmq
CMD ["rabbitmq-server"]
