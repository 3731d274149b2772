FROM limpet-standin:root
RUN apt-get update -qq \
 && apt-get install -y -qq --no-install-recommends python3 python3-venv >/dev/null \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* \
 && python3 -m venv /usr/local/py
# Where the official image has its Python does not matter; that `python` is found does.
ENV PATH=/usr/local/py/bin:$PATH LANG=C.UTF-8
CMD ["python3"]
