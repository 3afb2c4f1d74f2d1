#!/usr/bin/env node
import { randomInt } from 'node:crypto'
import process from 'node:process'
import { setTimeout as sleep } from 'node:timers/promises'
import { asError, ExitCode, OncesinkError } from '../errors.ts'
import { lookCommand } from './database.ts'
import { type DemoOptions, helpText, parseOptions } from './options.ts'
import type { DemoOutput } from './progress.ts'
import { exitCodeOf, proofText, resultJson } from './proof.ts'
import { runDemo } from './run-demo.ts'
import type { DemoServers } from './servers.ts'

/** What shells expect of a program that was ended by SIGINT. */
const INTERRUPTED = 130
const FOREVER_MS = 2 ** 31 - 1

process.exitCode = await main(process.argv.slice(2))

async function main(args: readonly string[]): Promise<number> {
  let options: DemoOptions | null
  try {
    options = parseOptions(args, () => randomInt(2 ** 32))
  } catch (error) {
    process.stderr.write(`${asError(error).message}\n`)
    return ExitCode.usage
  }
  if (!options) {
    process.stdout.write(helpText)
    return ExitCode.ok
  }
  return await demo(options)
}

async function demo(options: DemoOptions): Promise<number> {
  const stopping = new AbortController()
  const onSignal = () => {
    process.stderr.write('\nending the job and the servers ...\n')
    stopping.abort(new Error('interrupted'))
  }
  process.once('SIGINT', onSignal)
  process.once('SIGTERM', onSignal)
  const { json, keep } = options
  // With --json standard output carries the object and nothing else.
  const stream = json ? process.stderr : process.stdout
  const output: DemoOutput = { isTerminal: stream.isTTY === true, write: (text) => void stream.write(text) }
  try {
    const result = await runDemo(options, {
      output,
      signal: stopping.signal,
      afterProof: async (proven, servers) => {
        output.write(`\n${proofText(proven)}\n`)
        if (json) process.stdout.write(`${resultJson(proven)}\n`)
        if (keep) await linger(servers, output, stopping.signal)
      },
    })
    return exitCodeOf(result)
  } catch (error) {
    if (stopping.signal.aborted) return INTERRUPTED
    const { message, stack } = asError(error)
    process.stderr.write(
      `the demo failed: ${error instanceof OncesinkError ? message : (stack ?? message)}\n`,
    )
    return ExitCode.failure
  } finally {
    process.off('SIGINT', onSignal)
    process.off('SIGTERM', onSignal)
  }
}

/** Leaves the servers up until Ctrl-C, and says how to look at them. */
async function linger(servers: DemoServers, output: DemoOutput, signal: AbortSignal): Promise<void> {
  output.write(
    `\nKafka is at ${servers.brokers.join(',')} (topic ${servers.topic}); look at the table with\n` +
      `  ${lookCommand(servers.engine, servers.databaseUrl)}\n` +
      'Ctrl-C ends it all.\n',
  )
  while (!signal.aborted) await sleep(FOREVER_MS, undefined, { signal }).catch(() => {})
}
