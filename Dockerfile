# provmat on a slim Debian: built in one stage, run in another that has the libraries only.
FROM debian:12-slim AS build
WORKDIR /src
COPY . .
RUN apt-get update && apt-get install -y --no-install-recommends bash make \
    && tools/deps build \
    && make DEPS=no install PREFIX=/usr DESTDIR=/out

FROM debian:12-slim
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates librdkafka1 libavro23 liblmdb0 libcjson1 libb2-1 libssl3 libsmartcols1 \
       libcurl4 libstdc++6 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --create-home --home-dir /var/lib/provmat provmat
COPY --from=build /out/usr/bin/provmat /usr/bin/provmat
COPY --from=build /out/usr/share/ /usr/share/
USER provmat
WORKDIR /var/lib/provmat
# The index: one writer (materialize), any number of readers.
VOLUME /var/lib/provmat
ENV PROVMAT_INDEX=/var/lib/provmat/index
ENTRYPOINT ["provmat"]
CMD ["help"]
