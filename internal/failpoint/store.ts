import type { FailpointName } from '../domain/failpoint.ts'
import type { Claimed, NotificationStore, Settlement, UnbegunClaim } from '../port/notification-store.ts'
import type { Failpoints } from './failpoints.ts'

/**
 * Statements that break on purpose. `drop` before: it never reached PostgreSQL; `drop` after: it took effect, and its
 * answer was lost. Both look the same to the caller: PostgreSQL is unavailable.
 */
export function failingStore(store: NotificationStore, failpoints: Failpoints): NotificationStore {
  const around = makeAround(failpoints)
  return {
    accept: (requests, headStart) => {
      const contents = requests.flat().map((item) => item.content)
      return around('accept', () => store.accept(requests, headStart), { before: contents, after: () => contents })
    },
    claim: (refs, lease) => around('claim', () => store.claim(refs, lease), { after: contentsOf }),
    settle: (settlements) => {
      const contents = contentsOfAll(settlements)
      return around('settle', () => store.settle(settlements), { before: contents, after: () => contents })
    },
    lateSuccess: async (settlements) => {
      await failpoints.passStatement('lateSuccess.before', contentsOfAll(settlements))
      return store.lateSuccess(settlements)
    },
    defer: async (refs) => {
      await failpoints.passStatement('defer.before')
      return store.defer(refs)
    },
    release: async (claims) => {
      await failpoints.passStatement('release.before', contentsOfAll(claims))
      return store.release(claims)
    },
    releaseDue: (counts) => around('scan', () => store.releaseDue(counts)),
    sweepOrphans: (limit, backoffMs) => around('sweep', () => store.sweepOrphans(limit, backoffMs)),
    ...untouched(store),
  }
}

type Untouched = Omit<
  NotificationStore,
  'accept' | 'claim' | 'settle' | 'lateSuccess' | 'defer' | 'release' | 'releaseDue' | 'sweepOrphans'
>

function untouched(store: NotificationStore): Untouched {
  return {
    countDue: (lanes, limit) => store.countDue(lanes, limit),
    expireDue: (lanes, limit) => store.expireDue(lanes, limit),
    nextDueInMs: (lanes) => store.nextDueInMs(lanes),
    cancel: (tenant, id) => store.cancel(tenant, id),
    replay: (request) => store.replay(request),
    lookUpById: (tenant, id) => store.lookUpById(tenant, id),
    findByIds: (tenant, ids) => store.findByIds(tenant, ids),
    list: (tenant, filter, page) => store.list(tenant, filter, page),
    count: (tenant, filter) => store.count(tenant, filter),
    estimateCount: (tenant, filter) => store.estimateCount(tenant, filter),
    findAttempts: (tenant, id) => store.findAttempts(tenant, id),
    countBatch: (tenant, batchId) => store.countBatch(tenant, batchId),
  }
}

type Step = 'accept' | 'claim' | 'settle' | 'scan' | 'sweep'

interface Contents<T> {
  readonly before?: readonly string[]
  readonly after?: (result: T) => readonly string[]
}

function makeAround(failpoints: Failpoints) {
  return async function around<T>(step: Step, call: () => Promise<T>, contents: Contents<T> = {}): Promise<T> {
    const before = `${step}.before` satisfies FailpointName
    const after = `${step}.after` satisfies FailpointName
    await failpoints.passStatement(before, contents.before)
    const result = await call()
    await failpoints.passStatement(after, contents.after?.(result))
    return result
  }
}

function contentsOf(claims: readonly Claimed[]): readonly string[] {
  return claims.map((claimed) => claimed.content)
}

function contentsOfAll(ended: readonly (Settlement | UnbegunClaim)[]): readonly string[] {
  return ended.map(({ claimed }) => claimed.content)
}
