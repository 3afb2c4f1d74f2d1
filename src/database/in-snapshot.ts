import type { Connection, Transaction } from './dialect.ts'

/** Reads at one moment, and ends the transaction. */
export async function inSnapshot<T>(
  connection: Connection,
  read: (trx: Transaction) => Promise<T>,
): Promise<T> {
  const trx = await connection.begin('snapshot')
  try {
    return await read(trx)
  } finally {
    await trx.rollback()
  }
}
