import { type Channel, type Lane, type Priority, priorities } from '../domain/notification.ts'

/** Priorities are small numbers in the database, so that one index serves them in order. */
export const priorityNumbers = { HIGH: 1, NORMAL: 2, LOW: 3 } as const satisfies Record<Priority, number>

export interface LaneRow {
  readonly channel: Channel
  readonly priority: number
}

export function toPriority(number: number): Priority {
  const priority = priorities.find((one) => priorityNumbers[one] === number)
  if (priority === undefined) throw new RangeError(`unknown priority ${number} in the database`)
  return priority
}

export function toLane(row: LaneRow): Lane {
  return { channel: row.channel, priority: toPriority(row.priority) }
}

/** The two arrays by which statements are told their lanes. */
export function laneArrays(lanes: readonly Lane[]): readonly [channels: Channel[], priorities: number[]] {
  return [lanes.map((lane) => lane.channel), lanes.map((lane) => priorityNumbers[lane.priority])]
}
