export const scenarioNames = [
  'bare',
  'accept-single',
  'accept-batch',
  'drain',
  'latency',
  'latency-idle',
  'idle',
] as const
export type ScenarioName = (typeof scenarioNames)[number]
