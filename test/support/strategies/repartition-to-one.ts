import { repartitionToOne } from 'oncesink'

export default repartitionToOne({ chunkRecords: 10 })
