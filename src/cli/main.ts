#!/usr/bin/env node
import process from 'node:process'
import { Command, CommanderError, Option } from 'commander'
import type { Logger } from 'pino'
import { asError, ExitCode, OncesinkError } from '../errors.ts'
import { createLogger, type LogFormat, type LogLevel, logLevels } from '../telemetry/logger.ts'
import type { AcceptLossOptions } from './accept-loss.ts'
import { type ChaosFlags, chaosCommand, chaosHelp } from './chaos-options.ts'
import type { ListOptions } from './dlq.ts'
import type { OutputFormat } from './output.ts'
import { version } from './version.ts'

interface GlobalOptions {
  readonly format: OutputFormat
  readonly logFormat?: LogFormat
  readonly logLevel: LogLevel
  readonly color: boolean
}

const exitCodes = `
Exit codes:
  0  ok
  1  failure
  2  wrong usage or configuration
  3  ownership lost: another process has taken the job over
  4  violation: verify or chaos found rows or positions that contradict the log
  5  inconclusive: verify or chaos could not recompute everything, or nothing was put to the test`

const program = new Command('oncesink')
  .description('Exactly-once transactional sink: Kafka to SQL.')
  .version(version())
  .addOption(
    new Option('--format <format>', 'how results are printed').choices(['table', 'json']).default('table'),
  )
  .addOption(
    new Option('--log-format <format>', 'pretty on a terminal, else json').choices(['pretty', 'json']),
  )
  .addOption(
    new Option('--log-level <level>', 'least level that is logged').choices([...logLevels]).default('info'),
  )
  .option('--no-color', 'no colours in the log')
  .showHelpAfterError('(--help shows what there is)')
  .configureHelp({ showGlobalOptions: true })
  .addHelpText('afterAll', exitCodes)
  .exitOverride()
  .configureOutput({ outputError: (text, write) => write(text) })

command('run', 'Run the job until it is stopped (SIGTERM, SIGINT).')
  .option('--once', 'end when the records that are in the topics now have been committed', false)
  .option(
    '--accept-shape-change',
    'take over a table that was filled with other keys, aggregates or columns',
    false,
  )
  .action(async (file: string, options: { once: boolean; acceptShapeChange: boolean }) => {
    const { run } = await import('./run.ts')
    await finish(run(file, options, logger()))
  })

command(
  'status',
  'Show per partition: stored offset, log end, lag, mirrored offset, epoch, owner; and who has joined the group.',
)
  .alias('lag')
  .option('--watch <seconds>', 'show it again and again, this often, until Ctrl-C')
  .action(async (file: string, { watch }: { watch?: string }) => {
    const { status } = await import('./status.ts')
    const everySeconds = watch === undefined ? null : positive('--watch', watch)
    await finish(status(file, globals().format, everySeconds))
  })

command('peek', 'Compute the next micro-batch and print its rows; nothing is written or claimed.')
  .option('--records <count>', 'records to take at most', '1000')
  .option('--rows <count>', 'rows to print at most', '20')
  .action(async (file: string, options: { records: string; rows: string }) => {
    const { peek } = await import('./peek.ts')
    const limits = { records: positive('--records', options.records), rows: positive('--rows', options.rows) }
    await finish(peek(file, limits, globals().format))
  })

command(
  'verify',
  'Recompute the tables from the log, read by another reader than the job has, and compare; check the chain of offset ranges. Read-only.',
)
  .option('--chain', 'only the chain of offset ranges, in a moment: the log is not read', false)
  .action(async (file: string, options: { chain: boolean }) => {
    const { verify } = await import('./verify.ts')
    await finish(verify(file, options, globals().format))
  })

command(
  'chaos',
  'Harm the job in every way that it must survive, on real servers, then prove that every record counts exactly once.',
)
  .addOption(
    new Option('--engine <engine>', 'database of the run (default: the one that the job names)').choices([
      'postgres',
      'mysql',
      'mariadb',
    ]),
  )
  .option('--faults <names>', 'which, separated by commas, or all (default: all that need one broker only)')
  .option('--duration <time>', 'how long faults are injected, as 90s, 10m, 2h', '60s')
  .option(
    '--seed <n>',
    'repeats order and measures of the faults, and the records (default: random, printed)',
  )
  .addOption(
    new Option('--intensity <how>', 'how close faults follow each other')
      .choices(['low', 'medium', 'high'])
      .default('medium'),
  )
  .option('--members <count>', 'processes of the job (default: 2, or 1 where it cannot be shared)')
  .option('--rate <count>', 'records per second', '1000')
  .option('--spec <file>', 'what records look like, and more; see docs/chaos.md (default: <job>.chaos.ts)')
  .option('--report <file.html>', 'write a page with the timeline of faults and commits')
  .option('--json', 'print one JSON object in place of the text', false)
  .option('--kafka <brokers>', 'your own brokers, with --database: the run makes topics of its own there')
  .option(
    '--database <url>',
    'your own database server, with --kafka: the run makes a database of its own there',
  )
  .addHelpText('after', chaosHelp)
  .action(async (file: string, options: ChaosFlags) => {
    const { chaos } = await import('./chaos.ts')
    await finish(chaos(chaosCommand(file, options)))
  })

command('doctor', 'Find what keeps the job from running, and say what to do. Writes nothing.').action(
  async (file: string) => {
    const { doctor } = await import('./doctor.ts')
    await finish(doctor(file, globals().format))
  },
)

command(
  'load',
  "Load the files of a job with strategy: fileHandoff({ loader: 'external' }), until it is stopped (SIGTERM, SIGINT).",
)
  .option('--once', 'end when no file waits to be loaded', false)
  .addHelpText(
    'after',
    `
Each file is loaded in one transaction with its range, under the claim that it was written under; nothing is claimed here.
It may be killed and started again at any point, and any number of loaders may run at once. A file whose claim was replaced
is set aside; one that is damaged, missing or not of this job ends the command with its path and exit code 1.`,
  )
  .action(async (file: string, options: { once: boolean }) => {
    const { load } = await import('./load.ts')
    await finish(load(file, options, logger()))
  })

command('migrate', "Create oncesink's tables where they are missing; nothing else is touched.")
  .option('--print-sql', 'print the SQL instead, for all tables, without connecting', false)
  .action(async (file: string, options: { printSql: boolean }) => {
    const { migrate, printSql } = await import('./migrate.ts')
    await finish(options.printSql ? printSql(file) : migrate(file, globals().format))
  })

command(
  'accept-loss',
  'Show which stored positions the log no longer continues; with --execute go on without what is lost.',
)
  .option('--topic <topic[:partitions]>', 'only these, as orders or orders:0,2; may be repeated', collect, [])
  .option('--reason <text>', 'why it is accepted; recorded in the ledger')
  .option('--actor <who>', 'who accepts; recorded in the ledger (default: user@host)')
  .option('--execute', 'do it; without it the plan is shown', false)
  .option(
    '--fence-owner',
    'go on although the owner seems to be alive: what it has in hand is never committed',
    false,
  )
  .action(async (file: string, options: AcceptLossOptions) => {
    const { acceptLossCommand } = await import('./accept-loss.ts')
    await finish(acceptLossCommand(file, options, globals().format))
  })

const dlq = program
  .command('dlq')
  .description('Look at dead letters: records that were left out because they could not be processed.')
  .addHelpText(
    'after',
    `
A job sets such records aside with poison: deadLetter() in its definition; without it, it stops at the first one.
A dead letter is written in the transaction that moves the position past its record, so it is counted in the tables
or a dead letter, never both. Nothing here changes anything.

Examples:
  oncesink dlq list job.ts --status open --limit 20
  oncesink dlq show job.ts orders/0/17
  oncesink --format json dlq list job.ts | jq -r '.[].message' | sort | uniq -c`,
  )

command('list', 'List dead letters in log order, with what could not take them and why.', dlq)
  .option('--topic <topic>', 'only of this topic')
  .addOption(
    new Option('--status <status>', 'only with this status').choices(['open', 'replayed', 'dropped']),
  )
  .option('--limit <count>', 'rows to print at most', '100')
  .action(
    async (file: string, { limit, ...filter }: Omit<ListOptions, 'limit'> & { readonly limit: string }) => {
      const { listDeadLetters } = await import('./dlq.ts')
      const options = { ...filter, limit: positive('--limit', limit) }
      await finish(listDeadLetters(file, options, globals().format))
    },
  )

command(
  'show',
  'Show one dead letter: its key, value and headers as text (or hex), the error, the stack.',
  dlq,
)
  .argument('<record>', 'topic/partition/offset, as dlq list prints it')
  .action(async (file: string, record: string) => {
    const { showDeadLetter } = await import('./dlq.ts')
    await finish(showDeadLetter(file, record, globals().format))
  })

await program.parseAsync().catch(fail)

function command(name: string, description: string, under = program): Command {
  return under.command(name).description(description).argument('<job>', 'job file: TypeScript or JavaScript')
}

function globals(): GlobalOptions {
  return program.opts()
}

function logger(): Logger {
  const { logFormat, logLevel, color } = globals()
  const terminal = process.stderr.isTTY === true
  return createLogger(
    logFormat ?? (terminal ? 'pretty' : 'json'),
    logLevel,
    color && terminal && !process.env.NO_COLOR,
  )
}

function collect(value: string, values: readonly string[]): string[] {
  return [...values, value]
}

function positive(option: string, text: string): number {
  const value = Number(text)
  if (Number.isSafeInteger(value) && value > 0) return value
  throw new OncesinkError('CONFIGURATION_INVALID', `${option} must be a whole number above 0, not '${text}'`)
}

/** Ends the process with the command's exit code; whatever a library still holds open must not keep it alive. */
async function finish(result: Promise<number>): Promise<void> {
  const code = await result
  process.exit(code)
}

function fail(thrown: unknown): void {
  if (thrown instanceof CommanderError) process.exit(thrown.exitCode === 0 ? ExitCode.ok : ExitCode.usage)
  const error = asError(thrown)
  if (error instanceof OncesinkError) {
    logger().error({ event: 'failed', code: error.code, ...coordinates(error) }, error.message)
    process.exit(error.exitCode)
  }
  // Not one of ours: a defect. The stack is what a report needs.
  logger().error(
    { event: 'failed', code: 'UNEXPECTED', stack: error.stack },
    `unexpected error: ${error.message}`,
  )
  process.exit(ExitCode.failure)
}

function coordinates(error: OncesinkError): Record<string, unknown> {
  if (!error.record) return {}
  const { topic, partition, offset } = error.record
  return { topic, partition, offset: offset.toString() }
}
