/** The databases that oncesink writes to. */
export const engines = ['postgres', 'mysql', 'mariadb'] as const
export type Engine = (typeof engines)[number]
