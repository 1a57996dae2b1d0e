import type { Disturbance } from '../evidence.ts'
import { type Delivery, type Facts, groupBy } from './facts.ts'
import type { Violation } from './violation.ts'

/** Between a permit and the arrival lie a claim and the way to the target, which a busy machine makes slow. */
const jitterMs = 1_000
/** What a disturbance held back arrives together when it is over. */
const afterwardsMs = 3_000
/** Whatever stands between a permit and the arrival. */
const holdsBack: ReadonlySet<Disturbance['subject']> = new Set(['postgres', 'target', 'process'])

/**
 * Invariant 7: in every window of T seconds a channel gets at most rate × T + burst, and a burst more for each time a
 * counter began anew in it: Redis lost its memory, or a share of the limit took its place and gave it back. Windows
 * that touch a time in which permits could pile up on their way are left out.
 */
export function checkPace(facts: Facts): Violation[] {
  const { pace } = facts
  if (pace === null) return []
  const fresh = freshAt(facts)
  return [...groupBy(facts.deliveries, ({ channel }) => channel)].flatMap(([channel, deliveries]) =>
    checkChannel(channel, deliveries, fresh, facts),
  )
}

/**
 * The worst of all windows that end at a delivery, delivery by delivery: it is the worst one before, less what the time
 * between allows, or the window of this delivery alone.
 */
function checkChannel(channel: string, deliveries: readonly Delivery[], fresh: readonly number[], facts: Facts) {
  const { pace, disturbances } = facts
  if (pace === null) return []
  const max = pace.burst + Math.ceil((pace.perSecond * jitterMs) / 1_000)
  let [over, overSince, count, lastAt, nextFresh] = [0, 0, 0, 0, 0]
  for (const { at } of deliveries) {
    let allowed = ((at - lastAt) / 1_000) * rateAt(at, facts)
    for (; (fresh[nextFresh] ?? Number.POSITIVE_INFINITY) <= at; nextFresh++) allowed += pace.burst
    lastAt = at
    over -= allowed
    if (over <= 0 || isHeldBack(at, disturbances)) [over, overSince, count] = [0, at, 0]
    over += 1
    count += 1
    if (over > max) {
      const what = `${count} deliveries within ${at - overSince} ms`
      return [{ invariant: 7, text: `${channel}: ${what}, ${Math.ceil(over - max)} more than the limit allows` }]
    }
  }
  return []
}

/** An engine that alone lost the counter sends its share on top of the others. */
function rateAt(at: number, { pace, disturbances }: Facts): number {
  if (pace === null) return 0
  const alone = disturbances.filter(
    ({ subject, pid, from, to }) => subject === 'redis' && pid !== null && from <= at && at <= to + afterwardsMs,
  )
  return pace.perSecond * (1 + alone.length / pace.replicas)
}

function freshAt({ disturbances, lives, pace }: Facts): readonly number[] {
  const ofRedis = disturbances.filter(({ subject }) => subject === 'redis')
  const begun = lives.filter(
    ({ startedAt }) => pace?.isShared === false || ofRedis.some(({ from, to }) => from <= startedAt && startedAt <= to),
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
