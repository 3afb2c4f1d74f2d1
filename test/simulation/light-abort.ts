type Listener = () => void

/** Who listens and whether only once; one who listens twice is called once, as with events. */
type Listeners = Map<Listener, boolean>

/** What every signal is aborted with. */
const reason = new DOMException('This operation was aborted', 'AbortError')

class LightSignal {
  aborted = false
  reason: unknown = undefined
  #listeners: Listeners | null = null

  addEventListener(_type: 'abort', listener: Listener, options?: { readonly once?: boolean }): void {
    this.#listeners ??= new Map()
    if (!this.#listeners.has(listener)) this.#listeners.set(listener, options?.once ?? false)
  }

  removeEventListener(_type: 'abort', listener: Listener): void {
    this.#listeners?.delete(listener)
  }

  throwIfAborted(): void {
    if (this.aborted) throw this.reason
  }

  /** Of the class: the first of several signals. */
  static any(signals: readonly LightSignal[]): LightSignal {
    const any = new LightSignal()
    for (const signal of signals) {
      if (signal.aborted) any.abort()
      else signal.addEventListener('abort', () => any.abort(), { once: true })
    }
    return any
  }

  abort(): void {
    if (this.aborted) return
    this.aborted = true
    this.reason = reason
    const listeners = this.#listeners
    if (!listeners) return
    for (const [listener, once] of [...listeners]) {
      // One that an earlier listener has taken away is not called.
      if (!listeners.has(listener)) continue
      if (once) listeners.delete(listener)
      listener()
    }
  }
}

class LightController {
  readonly signal = new LightSignal()

  abort(): void {
    this.signal.abort()
  }
}

/**
 * Makes `AbortController` and `AbortSignal.any` of this thread plain objects. Simulated processes make hundreds of them
 * each, and Node's are event targets with weak references: a sixth of the time of a run.
 */
export function useLightAborts(): void {
  Object.assign(globalThis, { AbortController: LightController, AbortSignal: LightSignal })
}
