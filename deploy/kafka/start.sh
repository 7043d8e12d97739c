#!/bin/sh
# Formats the data directory if it is empty, with the principals of kafka.properties; then becomes the broker.
set -eu

if [ ! -f /var/lib/kafka/data/meta.properties ]; then
    # An argument file, mode 0600: a command line would show the passwords to everyone on the machine.
    arguments=$(mktemp)
    trap 'rm -f "$arguments"' EXIT
    {
        echo kafka.tools.StorageTool format
        echo "--cluster-id=$(java -cp '/opt/kafka/libs/*' kafka.tools.StorageTool random-uuid)"
        echo -c /etc/gebus/server.properties
        sed 's/^\([^=]*\)=\(.*\)$/--add-scram "SCRAM-SHA-512=[name=\1,password=\2]"/' /run/secrets/kafka.properties
    } >"$arguments"
    java -cp '/opt/kafka/libs/*' "@$arguments"
    rm -f "$arguments"
fi

exec java "${KAFKA_HEAP:--Xmx1g}" -XX:+ExitOnOutOfMemoryError -cp '/opt/kafka/libs/*' \
    -Dlog4j2.configurationFile=/etc/gebus/log4j2.yaml kafka.Kafka /etc/gebus/server.properties
