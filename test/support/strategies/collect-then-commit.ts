import { collectThenCommit } from 'oncesink'

export default collectThenCommit()
