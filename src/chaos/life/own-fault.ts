/** A signal that a process sends to itself when it comes by a named point of its code. */
export interface OwnFault {
  readonly point: string
  /** At which visit of the point, from 1, counted from when it was armed. */
  readonly visit: number
  readonly signal: 'SIGKILL' | 'SIGSTOP'
}

/** The one fault that a process waits for. */
export class ArmedFault<Fault extends OwnFault = OwnFault> {
  #fault: Fault | null = null
  #visitsLeft = 0

  /** In place of what it has waited for; null for nothing. */
  arm(fault: Fault | null): void {
    this.#fault = fault
    this.#visitsLeft = fault?.visit ?? 0
  }

  /**
   * To be asked at each point.
   * @returns the fault whose moment has come, once; else null
   */
  dueAt(point: string): Fault | null {
    const fault = this.#fault
    if (fault?.point !== point) return null
    this.#visitsLeft -= 1
    if (this.#visitsLeft > 0) return null
    this.#fault = null
    return fault
  }
}
