import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process'
import { once } from 'node:events'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { kafkaProgram } from '../../src/services/native/kafka-download.ts'

const source = join(import.meta.dirname, 'java', 'JavaClient.java')

/** A record, as it is produced. */
export interface JavaRecord {
  readonly topic: string
  readonly partition: number
  readonly timestampMs: number
  readonly key: Uint8Array | null
  readonly value: Uint8Array | null
  readonly headers: readonly (readonly [name: string, value: Uint8Array | null])[]
}

export type Settings = Readonly<Record<string, string | number>>

/** Kafka's own Java client, in a process of its own: compiled from `java/JavaClient.java` against Kafka's jars. */
export class JavaClient {
  readonly #process: ChildProcessWithoutNullStreams
  readonly #lines: AsyncIterator<string>
  #said = ''
  #turn: Promise<unknown> = Promise.resolve()

  private constructor(process: ChildProcessWithoutNullStreams) {
    this.#process = process
    this.#lines = createInterface({ input: process.stdout })[Symbol.asyncIterator]()
    process.stderr.on('data', (bytes: Buffer) => {
      this.#said = (this.#said + bytes.toString()).slice(-4000)
    })
  }

  static async start(): Promise<JavaClient> {
    const { java, jars } = await kafkaProgram()
    const quiet = [
      '-Dorg.slf4j.simpleLogger.defaultLogLevel=error',
      '-XX:+UseSerialGC',
      '-XX:TieredStopAtLevel=1',
    ]
    const child = spawn(java.command, [...quiet, '-Xmx256m', '-cp', join(jars, '*'), source])
    await once(child, 'spawn')
    return new JavaClient(child)
  }

  async stop(): Promise<void> {
    if (this.#process.exitCode !== null) return
    const ended = once(this.#process, 'exit')
    this.#process.stdin.end()
    await ended
  }

  producer(name: string, settings: Settings): Promise<unknown> {
    return this.#do('producer', name, ...written(settings))
  }

  consumer(name: string, settings: Settings): Promise<unknown> {
    return this.#do('consumer', name, ...written(settings))
  }

  send(
    producer: string,
    { topic, partition, timestampMs, key, value, headers }: JavaRecord,
  ): Promise<unknown> {
    const named = headers.flatMap(([name, bytes]) => [encoded(Buffer.from(name)), encoded(bytes)])
    return this.#do('send', producer, topic, partition, timestampMs, encoded(key), encoded(value), ...named)
  }

  /** Ends the producer's batches, and waits until the brokers have them. */
  flush(producer: string): Promise<unknown> {
    return this.#do('flush', producer)
  }

  begin(producer: string): Promise<unknown> {
    return this.#do('begin', producer)
  }

  commit(producer: string): Promise<unknown> {
    return this.#do('commit', producer)
  }

  abort(producer: string): Promise<unknown> {
    return this.#do('abort', producer)
  }

  /** Everything from `from` to the end that the consumer's isolation level shows, a {@link recordLine} each. */
  read(consumer: string, topic: string, partition: number, from: number): Promise<string[]> {
    return this.#do('read', consumer, topic, partition, from)
  }

  /** One command after another; throws what the program says against it. */
  #do(...fields: readonly (string | number)[]): Promise<string[]> {
    const turn = this.#turn.then(async () => {
      this.#process.stdin.write(`${fields.join('\t')}\n`)
      const lines: string[] = []
      for (;;) {
        const next = await this.#lines.next()
        if (next.done) throw new Error(`the Java client has ended: ${this.#said}`)
        if (next.value === 'ok') return lines
        if (next.value.startsWith('failed')) throw new Error(`${fields[0]} ${fields[1]}: ${next.value}`)
        lines.push(next.value)
      }
    })
    this.#turn = turn.catch(() => undefined)
    return turn
  }
}

/** A record as the Java client writes it: offset, timestamp, key, value, then names and values of the headers. */
export function recordLine(
  offset: number,
  { timestampMs, key, value, headers }: Pick<JavaRecord, 'timestampMs' | 'key' | 'value' | 'headers'>,
): string {
  const named = headers.flatMap(([name, bytes]) => [encoded(Buffer.from(name)), encoded(bytes)])
  return [offset, timestampMs, encoded(key), encoded(value), ...named].join('\t')
}

function written(settings: Settings): string[] {
  return Object.entries(settings).map(([name, value]) => `${name}=${value}`)
}

function encoded(bytes: Uint8Array | null): string {
  return bytes === null ? '-' : Buffer.from(bytes).toString('base64')
}
