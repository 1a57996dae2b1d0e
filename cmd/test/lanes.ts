/** Runs lanes side by side, the steps of each one after another. @returns what the steps gave, lane by lane. */
export async function runLanes<T>(lanes: readonly (readonly (() => Promise<T>)[])[]): Promise<readonly T[]> {
  const runLane = async (steps: readonly (() => Promise<T>)[]) => {
    const given: T[] = []
    for (const step of steps) given.push(await step())
    return given
  }
  return (await Promise.all(lanes.map(runLane))).flat()
}
