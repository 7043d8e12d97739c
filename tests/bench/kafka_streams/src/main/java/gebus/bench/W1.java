package gebus.bench;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/** W1 on Kafka Streams: exactly once, a commit each 100 ms, the ids it has seen in RocksDB or in memory. */
public final class W1 {
  /** The counts of all tasks; they run on one thread. */
  private static final class Counts {
    private final JsonNode task;
    private long taken;
    private long repeats;
    private long outputs;

    Counts(JsonNode task) {
      this.task = task;
    }

    void add(boolean repeat, boolean delivered) throws IOException {
      taken++;
      repeats += repeat ? 1 : 0;
      outputs += delivered ? 1 : 0;
      if (taken == task.get("events").asLong()) {
        String report = "{\"repeats\": " + repeats + ", \"outputs\": " + outputs + "}";
        Files.writeString(Path.of(task.get("report").asText()), report);
      }
    }
  }

  private static final class Once implements Processor<byte[], byte[], byte[], byte[]> {
    private final Counts counts;
    private final byte[] header;
    private final GenericDatumReader<GenericRecord> reader;
    private final GenericDatumWriter<GenericRecord> writer;
    private final ByteArrayOutputStream buffer = new ByteArrayOutputStream();
    private ProcessorContext<byte[], byte[]> context;
    private KeyValueStore<String, Long> seen;
    private BinaryDecoder decoder;
    private BinaryEncoder encoder;
    private GenericRecord report;

    Once(JsonNode task, Schema schema, Counts counts) {
      this.counts = counts;
      this.header = ByteBuffer.allocate(5).put((byte) 0).putInt(task.get("feed_schema_id").asInt()).array();
      this.reader = new GenericDatumReader<>(schema);
      this.writer = new GenericDatumWriter<>(schema);
    }

    @Override
    public void init(ProcessorContext<byte[], byte[]> context) {
      this.context = context;
      this.seen = context.getStateStore("seen");
    }

    @Override
    public void process(Record<byte[], byte[]> message) {
      try {
        byte[] value = message.value();
        decoder = DecoderFactory.get().binaryDecoder(value, 5, value.length - 5, decoder);
        report = reader.read(report, decoder);
        String id = report.get("event_id").toString();
        boolean repeat = seen.get(id) != null;
        if (!repeat) {
          seen.put(id, message.timestamp());
        }
        boolean delivered =
            !repeat && report.get("category").toString().equals("MASK") && (Long) report.get("price_cents") > 2000;
        if (delivered) {
          context.forward(message.withValue(withoutReporter()));
        }
        counts.add(repeat, delivered);
      } catch (IOException failure) {
        throw new UncheckedIOException(failure);
      }
    }

    private byte[] withoutReporter() throws IOException {
      report.put("reporter_name", null);
      report.put("reporter_phone", null);
      buffer.reset();
      buffer.write(header);
      encoder = EncoderFactory.get().binaryEncoder(buffer, encoder);
      writer.write(report, encoder);
      encoder.flush();
      return buffer.toByteArray();
    }
  }

  private static Properties settings(JsonNode task) {
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
    settings.put("num.stream.threads", 1);
    settings.put("processing.guarantee", "exactly_once_v2");
    settings.put("commit.interval.ms", 100);
    settings.put("state.dir", task.get("state").asText());
    settings.put("replication.factor", 1);
    settings.put("max.poll.records", 5000);
    settings.put("producer.linger.ms", 50);
    settings.put("producer.batch.size", 262_144);
    settings.put("producer.compression.type", "lz4");
    return settings;
  }

  /** Run until the process is told to end. */
  public static void main(String[] arguments) throws Exception {
    JsonNode task = new ObjectMapper().readTree(Path.of(arguments[0]).toFile());
    Schema schema = new Schema.Parser().parse(task.get("schema").toString());
    boolean rocks = task.get("store").asText().equals("rocksdb");
    Counts counts = new Counts(task);
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.keyValueStoreBuilder(
            rocks ? Stores.persistentKeyValueStore("seen") : Stores.inMemoryKeyValueStore("seen"),
            Serdes.String(),
            Serdes.Long()));
    builder.stream(task.get("source").asText(), Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
        .process(() -> new Once(task, schema, counts), "seen")
        .to(task.get("output").asText(), Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
    KafkaStreams streams = new KafkaStreams(builder.build(), settings(task));
    CountDownLatch ended = new CountDownLatch(1);
    Runtime.getRuntime().addShutdownHook(new Thread(ended::countDown));
    streams.start();
    ended.await();
  }
}
