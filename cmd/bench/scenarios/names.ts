export const scenarioNames = [
  'bare',
  'accept-single',
  'accept-batch',
  'drain',
  'latency',
  'latency-idle',
  'slow-provider',
  'retry-storm',
  'idle',
  'replicas',
  'embedded',
  'connector',
  'backlog',
  'history',
] as const
export type ScenarioName = (typeof scenarioNames)[number]
