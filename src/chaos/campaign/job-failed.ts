/** A job of a campaign has ended, or does not go on, although everything that it needs is there. */
export class JobFailed extends Error {
  override readonly name = 'JobFailed'
}
