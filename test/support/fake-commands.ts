import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Commands that are not what they are called, in a PATH of their own, and a cache folder. */
export class FakeCommands {
  readonly root = mkdtempSync(join(tmpdir(), 'oncesink-test-'))
  /** An environment in which the fakes come first, before sh and the like. */
  readonly env: NodeJS.ProcessEnv = {
    PATH: `${join(this.root, 'bin')}:/usr/bin:/bin`,
    XDG_CACHE_HOME: join(this.root, 'cache'),
  }
  /** One in which there is nothing else. */
  readonly onlyFakes: NodeJS.ProcessEnv = { ...this.env, PATH: join(this.root, 'bin') }

  constructor() {
    mkdirSync(join(this.root, 'bin'))
  }

  /** Adds `name`, a shell script. */
  add(name: string, script: string): string {
    const path = join(this.root, 'bin', name)
    writeFileSync(path, `#!/bin/sh\n${script}\n`)
    chmodSync(path, 0o755)
    return path
  }

  /** Adds the machine's own `name`. */
  link(name: string): void {
    symlinkSync(join('/bin', name), join(this.root, 'bin', name))
  }

  /** Writes a file beside the commands. */
  file(name: string, text: string): string {
    const path = join(this.root, name)
    writeFileSync(path, text)
    return path
  }

  remove(): void {
    rmSync(this.root, { recursive: true })
  }
}
