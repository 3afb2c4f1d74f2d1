import { writeSync } from 'node:fs'
import process from 'node:process'
import { createInterface } from 'node:readline'

/*
 * How a process of a run talks with whoever has started it (life-process.ts): JSON, a line each.
 */

const FULL_PIPE_MS = 1

/** Written before the next statement: nothing that was said is lost with the process. */
export function say(fd: number, said: object): void {
  const line = Buffer.from(`${JSON.stringify(said)}\n`)
  for (let written = 0; written < line.length; ) {
    try {
      written += writeSync(fd, line, written)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EAGAIN') throw error
      // The pipe is full; whoever reads it is busy.
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, FULL_PIPE_MS)
    }
  }
}

/**
 * Hears commands from standard input, which does not keep the process alive, and ends it (SIGKILL) when that is closed: no
 * process outlives whoever has started it.
 */
export function hearCommands<Command>(obey: (command: Command) => void): void {
  createInterface({ input: process.stdin })
    .on('line', (line) => obey(JSON.parse(line) as Command))
    .on('close', () => process.kill(process.pid, 'SIGKILL'))
  process.stdin.unref()
}
