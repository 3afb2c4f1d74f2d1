/**
 * Why the log no longer continues a position:
 * - `retention`: the records at the position were deleted before they were read;
 * - `truncated`: the log ends before the position, or has other records there: what was read last is gone from it;
 * - `recreated`: the topic was deleted and created again: the whole log is another one.
 */
export type LossCause = 'retention' | 'truncated' | 'recreated'
