import { type ErrorCode, OncesinkError } from '../errors.ts'
import type { LossCause } from '../model/loss-cause.ts'
import type { TopicPartition } from '../model/topic-partition.ts'

/** What is known of a position that does not hold. */
export interface PositionLoss {
  readonly cause: LossCause
  /** The first offset of the log as it is now that was not read; `earliest`: of another log, so all of it. */
  readonly resumeAt: bigint | 'earliest'
  /** Kafka's id of the topic as it is now. */
  readonly topicId: string
}

/** The log no longer continues a position: only a person can say that the job shall go on elsewhere. */
export class PositionLost extends OncesinkError {
  readonly loss: PositionLoss

  constructor(
    code: Extract<ErrorCode, 'OFFSET_OUT_OF_RANGE' | 'LOG_TRUNCATED' | 'TOPIC_RECREATED'>,
    message: string,
    { topic, partition }: TopicPartition,
    loss: PositionLoss,
  ) {
    super(code, message, { partition: { topic, partition } })
    this.loss = loss
  }
}

/** What can be done then. Nothing is skipped without a person's word. */
export const whenLost =
  'The table stays as it is, up to the stored position; the job does not skip records by itself. To go on with what the ' +
  'topic has now, look at `oncesink accept-loss <job file>`, which records who accepted what; or run the job under a new ' +
  'name, into a table of its own'
