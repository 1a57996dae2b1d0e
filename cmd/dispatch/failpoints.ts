import { randomInt } from 'node:crypto'
import type { Config } from '../../internal/config/config.ts'
import { failingConsume, failingPublish } from '../../internal/failpoint/broker.ts'
import { failingStop } from '../../internal/failpoint/components.ts'
import { Failpoints } from '../../internal/failpoint/failpoints.ts'
import { failingOutlet } from '../../internal/failpoint/outlet.ts'
import { failingProvider } from '../../internal/failpoint/provider.ts'
import { failingStore } from '../../internal/failpoint/store.ts'
import type { Component } from '../../internal/lifecycle/component.ts'
import type { Broker } from '../../internal/port/broker.ts'
import type { Clock } from '../../internal/port/clock.ts'
import type { NotificationStore } from '../../internal/port/notification-store.ts'
import type { Provider } from '../../internal/port/provider.ts'
import type { Logger } from '../../internal/port/telemetry.ts'
import type { OutletKind } from '../../internal/provider/outlets/kind.ts'

/** Puts failpoints around parts; without any, every part stays what it is. */
export interface Breaking {
  store(store: NotificationStore): NotificationStore
  publish(broker: Broker): Broker
  consume(broker: Broker): Broker
  provider(provider: Provider): Provider
  /** What connections are opened with. */
  outletKind(kind: OutletKind): OutletKind
  /** Its stop. */
  component(component: Component): Component
}

const nothing: Breaking = {
  store: (store) => store,
  publish: (broker) => broker,
  consume: (broker) => broker,
  provider: (provider) => provider,
  outletKind: (kind) => kind,
  component: (component) => component,
}

export function openFailpoints(
  { failpoints: wanted }: Pick<Config, 'failpoints'>,
  logger: Logger,
  clock: Clock,
): Breaking {
  if (wanted === null) return nothing
  const seed = wanted.seed ?? randomInt(2 ** 32)
  const points = [...new Set(wanted.rules.map((rule) => rule.point))].join(', ')
  logger.warn('FAILPOINTS is set: THIS PROCESS BREAKS ON PURPOSE, for tests only', { points, seed })
  const kill = () => void process.kill(process.pid, 'SIGKILL')
  const failpoints = new Failpoints({ rules: wanted.rules, seed }, { logger, clock, kill })
  return {
    store: (store) => failingStore(store, failpoints),
    publish: (broker) => failingPublish(broker, failpoints),
    consume: (broker) => failingConsume(broker, failpoints),
    provider: (provider) => failingProvider(provider, failpoints),
    outletKind: (kind) => ({ ...kind, open: (id, config) => failingOutlet(kind.open(id, config), failpoints) }),
    component: (component) => failingStop(component, failpoints),
  }
}
