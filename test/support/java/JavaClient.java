import java.io.BufferedReader;
import java.io.BufferedWriter;
import java.io.InputStreamReader;
import java.io.OutputStreamWriter;
import java.io.PrintWriter;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.Future;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * Kafka's own client, told by lines what to do: the reference that the reader is compared with.
 *
 * A command is one line of fields separated by tabs; bytes are Base64, null is "-". Every command is answered by any
 * number of lines and then "ok", or by "failed" and the reason.
 *
 *   producer NAME SETTING=VALUE...                    begin|commit|abort|flush NAME
 *   send NAME TOPIC PARTITION TIMESTAMP KEY VALUE [HEADER VALUE]...
 *   consumer NAME SETTING=VALUE...
 *   read NAME TOPIC PARTITION FROM                    one line per record, up to the end for its isolation level
 */
public final class JavaClient {
  private static final Map<String, KafkaProducer<byte[], byte[]>> producers = new HashMap<>();
  private static final Map<String, List<Future<RecordMetadata>>> sent = new HashMap<>();
  private static final Map<String, KafkaConsumer<byte[], byte[]>> consumers = new HashMap<>();
  private static PrintWriter out;

  public static void main(String[] args) throws Exception {
    out = new PrintWriter(new BufferedWriter(new OutputStreamWriter(System.out, StandardCharsets.UTF_8)));
    var in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      try {
        run(line.split("\t", -1));
        out.println("ok");
      } catch (Exception e) {
        out.println("failed\t" + e);
      }
      out.flush();
    }
    // Nothing is waited for: a producer that has a transaction open is part of some tests.
    Runtime.getRuntime().halt(0);
  }

  private static void run(String[] command) throws Exception {
    String name = command[1];
    switch (command[0]) {
      case "producer" -> producer(name, settings(command));
      case "consumer" -> consumer(name, settings(command));
      case "begin" -> producers.get(name).beginTransaction();
      case "send" -> sent.get(name).add(producers.get(name).send(record(command)));
      case "flush" -> flush(name);
      case "commit" -> {
        flush(name);
        producers.get(name).commitTransaction();
      }
      case "abort" -> {
        flush(name);
        producers.get(name).abortTransaction();
      }
      case "read" -> read(consumers.get(name), new TopicPartition(command[2], Integer.parseInt(command[3])), Long.parseLong(command[4]));
      default -> throw new IllegalArgumentException("no such command: " + command[0]);
    }
  }

  private static Properties settings(String[] command) {
    var settings = new Properties();
    for (int i = 2; i < command.length; i++) {
      int equals = command[i].indexOf('=');
      settings.put(command[i].substring(0, equals), command[i].substring(equals + 1));
    }
    return settings;
  }

  private static void producer(String name, Properties settings) {
    var producer = new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer());
    if (settings.containsKey("transactional.id")) producer.initTransactions();
    producers.put(name, producer);
    sent.put(name, new ArrayList<>());
  }

  private static void consumer(String name, Properties settings) {
    consumers.put(name, new KafkaConsumer<>(settings, new ByteArrayDeserializer(), new ByteArrayDeserializer()));
  }

  private static ProducerRecord<byte[], byte[]> record(String[] command) {
    var headers = new ArrayList<Header>();
    for (int i = 7; i < command.length; i += 2) {
      headers.add(new RecordHeader(new String(bytes(command[i]), StandardCharsets.UTF_8), bytes(command[i + 1])));
    }
    int partition = Integer.parseInt(command[3]);
    long timestamp = Long.parseLong(command[4]);
    return new ProducerRecord<>(command[2], partition, timestamp, bytes(command[5]), bytes(command[6]), headers);
  }

  private static void flush(String name) throws Exception {
    producers.get(name).flush();
    for (var future : sent.get(name)) future.get();
    sent.get(name).clear();
  }

  private static void read(KafkaConsumer<byte[], byte[]> consumer, TopicPartition partition, long from) {
    consumer.assign(List.of(partition));
    consumer.seek(partition, from);
    long end = consumer.endOffsets(List.of(partition)).get(partition);
    while (consumer.position(partition) < end) {
      for (var record : consumer.poll(Duration.ofMillis(100)).records(partition)) {
        if (record.offset() < end) out.println(text(record));
      }
    }
  }

  private static String text(ConsumerRecord<byte[], byte[]> record) {
    var line = new StringBuilder()
        .append(record.offset()).append('\t').append(record.timestamp()).append('\t')
        .append(text(record.key())).append('\t').append(text(record.value()));
    for (Header header : record.headers()) {
      line.append('\t').append(text(header.key().getBytes(StandardCharsets.UTF_8))).append('\t').append(text(header.value()));
    }
    return line.toString();
  }

  private static byte[] bytes(String field) {
    return field.equals("-") ? null : Base64.getDecoder().decode(field);
  }

  private static String text(byte[] bytes) {
    return bytes == null ? "-" : Base64.getEncoder().encodeToString(bytes);
  }
}
