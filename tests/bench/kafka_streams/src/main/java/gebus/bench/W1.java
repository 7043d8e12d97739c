package gebus.bench;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumReader;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecord;
import org.apache.avro.io.BinaryDecoder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.DecoderFactory;
import org.apache.avro.io.EncoderFactory;
import org.apache.kafka.common.serialization.Serdes;
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
    private final Bench bench;
    private long taken;
    private long repeats;
    private long outputs;

    Counts(Bench bench) {
      this.bench = bench;
    }

    void add(boolean repeat, boolean delivered) throws IOException {
      taken++;
      repeats += repeat ? 1 : 0;
      outputs += delivered ? 1 : 0;
      if (taken == bench.events()) {
        String report = "{\"repeats\": " + repeats + ", \"outputs\": " + outputs + "}";
        Files.writeString(bench.report(), report);
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

    Once(Bench bench, Counts counts) {
      Schema schema = bench.schema(0);
      this.counts = counts;
      this.header = bench.header();
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

  /** Run until the process is told to end. */
  public static void main(String[] arguments) throws Exception {
    Bench bench = new Bench(arguments);
    Counts counts = new Counts(bench);
    StreamsBuilder builder = new StreamsBuilder();
    builder.addStateStore(
        Stores.keyValueStoreBuilder(
            bench.rocks() ? Stores.persistentKeyValueStore("seen") : Stores.inMemoryKeyValueStore("seen"),
            Serdes.String(),
            Serdes.Long()));
    builder.stream(bench.source(0), Consumed.with(Serdes.ByteArray(), Serdes.ByteArray()))
        .process(() -> new Once(bench, counts), "seen")
        .to(bench.output(), Produced.with(Serdes.ByteArray(), Serdes.ByteArray()));
    bench.run(builder);
  }
}
