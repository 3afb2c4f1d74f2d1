import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { chown, mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** The account that a server runs as; absent: this process's own. */
export interface Account {
  readonly uid: number
  readonly gid: number
}

/*
 * A temporary directory and the processes in it, neither of which outlives this process: not when it is killed with
 * SIGKILL, and not when it forgets to clean up.
 *
 * A watchdog (sh) blocks on a pipe whose only write end is ours. When the pipe closes, for whatever reason, it ends
 * every process that has registered in `run/` and removes the directory. Ending a sandbox on purpose is the same
 * thing: we close the pipe.
 *
 * A process registers itself, before it becomes the server, by creating `run/<its own pid>`. The watchdog first
 * renames `run/` away: whoever has registered is seen, and whoever comes later fails to register and never starts.
 *
 * Watchdog and processes have sessions of their own, so that Ctrl-C in the terminal reaches only this process, which
 * may still need them to shut down in order.
 */
const watchdogScript = `
cat > /dev/null
mv "$1/run" "$1/ending"
each() { for entry in "$1"/ending/*; do [ -e "$entry" ] && "$2" "\${entry##*/}"; done; }
ask() { kill -s "$signal" -- "-$1"; }
await() { while [ $n -lt 60 ] && kill -s 0 -- "-$1"; do sleep 0.05; n=$((n + 1)); done; }
force() { kill -s KILL -- "-$1"; }
signal=$2
n=0
each "$1" ask
each "$1" await
each "$1" force
n=0
until rm -rf "$1" || [ $n -ge 60 ]; do sleep 0.05; n=$((n + 1)); done
`
const registerAndBecome = 'trap "" XFSZ; : > "$0/$$" && exec "$@"'

export interface SandboxOptions {
  /** Part of the directory's name. */
  readonly name: string
  /** What the watchdog sends first; SIGKILL follows after three seconds. */
  readonly stopSignal: 'QUIT' | 'KILL'
  readonly account?: Account | undefined
}

export class Sandbox {
  readonly dir: string
  readonly #watchdog: ChildProcess
  readonly #account: Account | undefined

  private constructor(dir: string, watchdog: ChildProcess, account: Account | undefined) {
    this.dir = dir
    this.#watchdog = watchdog
    this.#account = account
  }

  static async create(options: SandboxOptions): Promise<Sandbox> {
    const dir = await mkdtemp(join(tmpdir(), `oncesink-${options.name}-`))
    const watchdog = spawn('sh', ['-c', watchdogScript, 'oncesink-watchdog', dir, options.stopSignal], {
      cwd: '/',
      detached: true,
      stdio: ['pipe', 'ignore', 'ignore'],
    })
    await once(watchdog, 'spawn')
    const sandbox = new Sandbox(dir, watchdog, options.account)
    open.add(sandbox)
    // It does not keep this process alive: one that ends without remove() is just what it waits for.
    watchdog.unref()
    await mkdir(join(dir, 'run'))
    const { account } = options
    if (account) {
      await chown(dir, account.uid, account.gid)
      await chown(join(dir, 'run'), account.uid, account.gid)
    }
    return sandbox
  }

  /** Starts a process that ends with the sandbox. Output goes to the open file `log`. */
  async spawn(
    command: string,
    args: readonly string[],
    log: number,
    env: NodeJS.ProcessEnv,
  ): Promise<ChildProcess> {
    const run = join(this.dir, 'run')
    const child = spawn('sh', ['-c', registerAndBecome, run, command, ...args], {
      cwd: this.dir,
      detached: true,
      stdio: ['ignore', log, log],
      env,
      ...this.#account,
    })
    // A dead process's id may be given to another one: the watchdog must not know it any more.
    child.once('exit', () => void rm(join(run, String(child.pid)), { force: true }))
    child.unref()
    await once(child, 'spawn')
    return child
  }

  /** Ends all processes and removes the directory; resolves when both are done. Idempotent. */
  async remove(): Promise<void> {
    const ended =
      this.#watchdog.exitCode !== null || this.#watchdog.signalCode !== null
        ? undefined
        : once(this.#watchdog, 'exit')
    this.#watchdog.ref()
    this.#watchdog.stdin?.end()
    await ended
    open.delete(this)
  }
}

const open = new Set<Sandbox>()

/** Removes every sandbox that this process has. */
export async function removeSandboxes(): Promise<void> {
  await Promise.all([...open].map((sandbox) => sandbox.remove()))
}
