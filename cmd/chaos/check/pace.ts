import type { Disturbance } from '../evidence.ts'
import { type Delivery, type Facts, groupBy, type Pace } from './facts.ts'
import type { Violation } from './violation.ts'

/** Between a permit and the arrival lie a claim and the way to the target, which a busy machine makes slow. */
const jitterMs = 1_000
/** What a disturbance held back arrives together when it is over. */
const afterwardsMs = 3_000
/** Whatever stands between a permit and the arrival. */
const holdsBack: ReadonlySet<Disturbance['subject']> = new Set(['postgres', 'target', 'process'])

/**
 * Invariant 7: in every window of T seconds a channel gets at most rate × T + burst, and so does each connection that has
 * a rate; and a burst more for each time a counter began anew in it: Redis lost its memory, or a share of the limit
 * took its place and gave it back. Windows that touch a time in which permits could pile up on their way are left out.
 */
export function checkPace(facts: Facts): Violation[] {
  const { pace, connections, deliveries } = facts
  const fresh = freshAt(facts)
  const byChannel = groupBy(deliveries, ({ channel }) => channel)
  const byConnection = groupBy(deliveries, ({ connection }) => connection ?? '')
  return [
    ...(pace === null ? [] : [...byChannel].flatMap(([name, own]) => checkOne(name, own, pace, fresh, facts))),
    ...connections.flatMap(({ id, rate }) =>
      rate === null ? [] : checkOne(id, byConnection.get(id) ?? [], rate, fresh, facts),
    ),
  ]
}

/**
 * The worst of all windows that end at a delivery, delivery by delivery: it is the worst one before, less what the time
 * between allows, or the window of this delivery alone.
 */
function checkOne(name: string, deliveries: readonly Delivery[], pace: Pace, fresh: readonly number[], facts: Facts) {
  const { disturbances } = facts
  const max = pace.burst + Math.ceil((pace.perSecond * jitterMs) / 1_000)
  let [over, overSince, count, lastAt, nextFresh] = [0, 0, 0, 0, 0]
  for (const { at } of deliveries) {
    let allowed = ((at - lastAt) / 1_000) * pace.perSecond * (1 + shareAlone(at, facts))
    for (; (fresh[nextFresh] ?? Number.POSITIVE_INFINITY) <= at; nextFresh++) allowed += pace.burst
    lastAt = at
    over -= allowed
    if (over <= 0 || isHeldBack(at, disturbances)) [over, overSince, count] = [0, at, 0]
    over += 1
    count += 1
    if (over > max) {
      const what = `${count} deliveries within ${at - overSince} ms`
      return [{ invariant: 7, text: `${name}: ${what}, ${Math.ceil(over - max)} more than the limit allows` }]
    }
  }
  return []
}

/** An engine that alone lost the counter sends its share on top of the others: so much of the whole. */
function shareAlone(at: number, { counters, disturbances }: Facts): number {
  const alone = disturbances.filter(
    ({ subject, pid, from, to }) => subject === 'redis' && pid !== null && from <= at && at <= to + afterwardsMs,
  )
  return alone.length / counters.replicas
}

function freshAt({ disturbances, lives, counters }: Facts): readonly number[] {
  const ofRedis = disturbances.filter(({ subject }) => subject === 'redis')
  const begun = lives.filter(
    ({ startedAt }) => !counters.areShared || ofRedis.some(({ from, to }) => from <= startedAt && startedAt <= to),
  )
  return [...ofRedis.flatMap(({ from, to }) => [from, to]), ...begun.map(({ startedAt }) => startedAt)]
    .filter((at) => at !== Number.POSITIVE_INFINITY)
    .sort((a, b) => a - b)
}

function isHeldBack(at: number, disturbances: readonly Disturbance[]): boolean {
  return disturbances.some(
    ({ subject, from, to }) => holdsBack.has(subject) && from - jitterMs <= at && at <= to + afterwardsMs,
  )
}
