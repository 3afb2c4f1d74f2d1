type Listener = (name: string) => Promise<void>

const nothing = Promise.resolve()
let listener: Listener | null = null

/**
 * Names a place in the job's own code at which `oncesink chaos` may kill the process, for example between two statements
 * of a `write`: `await crashPoint('after-insert')`. Anywhere else it does nothing.
 */
export function crashPoint(name: string): Promise<void> {
  return listener === null ? nothing : listener(name)
}

/** Hears of every crash point in this thread that is reached, and lets the code go on when its promise resolves. */
export function onCrashPoint(hear: Listener): void {
  listener = hear
}
