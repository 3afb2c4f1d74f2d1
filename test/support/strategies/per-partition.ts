import { perPartition } from 'oncesink'

export default perPartition({ connections: 3 })
