import type { Running } from '../contenders/contender.ts'
import { type Usage, usageOf } from '../process-usage.ts'
import { sharedNowMs } from '../time.ts'
import type { Bench, Figures } from './scenario.ts'

export interface UsageWatch {
  /** How many processors each part kept busy since the watch began. */
  cores(): Figures
  /**
   * Processor time that each part spent on one of `count` notifications. Other work on the machine makes everything
   * slower, but this hardly at all.
   */
  costs(count: number): Figures
}

/** Watches the service, the servers, the sink and the load generator. All figures are left out where the system does not tell. */
export function watchUsage({ ground, sink, load }: Bench, running: Running): UsageWatch {
  const { postgres, rabbitmq, redis } = ground.pids
  const groups = {
    service: running.pids,
    postgres: [postgres],
    rabbitmq: [rabbitmq],
    redis: [redis],
    sink: [sink.pid],
    load: [load.pid],
  }
  const before = usageOf(groups)
  const beganMs = sharedNowMs()
  const used = (): [string, Usage][] => {
    const after = before === null ? null : usageOf(groups)
    return Object.entries(after ?? {}).map(([name, { cpuSeconds, residentBytes }]) => [
      name,
      { cpuSeconds: cpuSeconds - (before?.[name]?.cpuSeconds ?? 0), residentBytes },
    ])
  }
  return {
    cores() {
      const all = used()
      const seconds = (sharedNowMs() - beganMs) / 1_000
      return { ...named(all, 'Cores', ({ cpuSeconds }) => cpuSeconds / seconds), ...memoryOf(all) }
    },
    costs(count) {
      const all = used()
      if (all.length === 0) return {}
      const perUnit = (cpuSeconds: number) => (cpuSeconds / count) * 1e6
      const total = all.reduce((sum, [, { cpuSeconds }]) => sum + cpuSeconds, 0)
      const parts = named(all, 'CpuUs', ({ cpuSeconds }) => perUnit(cpuSeconds))
      return { totalCpuUs: perUnit(total), ...parts, ...memoryOf(all) }
    },
  }
}

function named(all: readonly [string, Usage][], unit: string, value: (usage: Usage) => number): Figures {
  return Object.fromEntries(all.map(([name, usage]) => [name + unit, value(usage)]))
}

function memoryOf(all: readonly [string, Usage][]): Figures {
  const service = all.find(([name]) => name === 'service')
  return service === undefined ? {} : { serviceBytes: service[1].residentBytes }
}
