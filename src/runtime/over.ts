/**
 * Why a wait was aborted that is over, for `AbortController.abort()`: without a reason Node makes an error with a stack each
 * time, which takes longer than all the rest of it.
 */
export const OVER = 'over'
