package gebus.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.avro.Schema;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;

/** What the programs share: the task, the settings, a run until the process is told to end. */
final class Bench {
  private final JsonNode task;

  Bench(String[] arguments) throws IOException {
    task = new ObjectMapper().readTree(Path.of(arguments[0]).toFile());
  }

  String source(int number) {
    return task.get("sources").get(number).asText();
  }

  String output() {
    return task.get("output").asText();
  }

  long events() {
    return task.get("events").asLong();
  }

  Path report() {
    return Path.of(task.get("report").asText());
  }

  boolean rocks() {
    return task.get("store").asText().equals("rocksdb");
  }

  Schema schema(int number) {
    return new Schema.Parser().parse(task.get("schemas").get(number).toString());
  }

  Schema feedSchema() {
    return new Schema.Parser().parse(task.get("feed_schema").toString());
  }

  byte[] header() {
    return ByteBuffer.allocate(5).put((byte) 0).putInt(task.get("feed_schema_id").asInt()).array();
  }

  void run(StreamsBuilder builder) throws InterruptedException {
    Properties settings = settings();
    KafkaStreams streams = new KafkaStreams(builder.build(settings), settings);
    CountDownLatch ended = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(ended::countDown));
    streams.start();
    ended.await();
  }

  private Properties settings() {
    Properties settings = new Properties();
    settings.put("application.id", task.get("group").asText());
    settings.put("bootstrap.servers", task.get("bootstrap").asText());
    settings.put("security.protocol", "SASL_SSL");
    settings.put("ssl.truststore.type", "PEM");
    settings.put("ssl.truststore.location", task.get("ca_file").asText());
    settings.put("sasl.mechanism", "SCRAM-SHA-512");
    settings.put(
        "sasl.jaas.config",
        "org.apache.kafka.common.security.scram.ScramLoginModule required username=\""
            + task.get("username").asText() + "\" password=\"" + task.get("password").asText() + "\";");
    settings.put("auto.offset.reset", "earliest");
    // A member that was killed and comes back is known by it, and need not wait until its session ends.
    settings.put("group.instance.id", "bench");
    settings.put("num.stream.threads", 1);
    settings.put("processing.guarantee", "exactly_once_v2");
    settings.put("commit.interval.ms", 100);
    settings.put("state.dir", task.get("state").asText());
    settings.put("replication.factor", 1);
    settings.put("max.poll.records", 5000);
    settings.put("producer.linger.ms", 50);
    settings.put("producer.batch.size", 262_144);
    settings.put("producer.compression.type", "lz4");
    settings.put(
        "dsl.store.suppliers.class",
        rocks()
            ? BuiltInDslStoreSuppliers.RocksDBDslStoreSuppliers.class
            : BuiltInDslStoreSuppliers.InMemoryDslStoreSuppliers.class);
    return settings;
  }
}
