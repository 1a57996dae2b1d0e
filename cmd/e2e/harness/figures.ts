type Labels = Readonly<Record<string, string>>

interface Sample {
  readonly name: string
  readonly labels: Labels
  readonly value: number
}

const prefix = 'dispatch_engine_'

/** A `/metrics` page as it was at one moment. */
export class Figures {
  readonly #samples: readonly Sample[]

  constructor(text: string) {
    this.#samples = text.split('\n').flatMap((line) => parseLine(line) ?? [])
  }

  /** Sum of all samples of a metric (name without `dispatch_engine_`) that carry `labels`. @throws when there is none. */
  sum(name: string, labels: Labels = {}): number {
    const wanted = Object.entries(labels)
    const found = this.#samples.filter(
      (sample) => sample.name === prefix + name && wanted.every(([label, value]) => sample.labels[label] === value),
    )
    if (found.length === 0) throw new Error(`no sample of ${name} ${JSON.stringify(labels)}`)
    return found.reduce((sum, sample) => sum + sample.value, 0)
  }
}

function parseLine(line: string): Sample | null {
  const match = /^([A-Za-z_:][\w:]*)(?:\{(.*)\})? (\S+)/.exec(line)
  if (match === null || line.startsWith('#')) return null
  const [, name = '', labelText = '', value = ''] = match
  const pairs = [...labelText.matchAll(/(\w+)="([^"]*)"/g)]
  const labels = Object.fromEntries(pairs.map(([, label = '', text = '']): [string, string] => [label, text]))
  return { name, labels, value: Number(value) }
}
