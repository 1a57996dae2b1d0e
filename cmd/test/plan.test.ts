import { globSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { describe, expect, it } from 'vitest'
import { z } from 'zod'
import { projectRoot } from '../project-root.ts'
import { checkLanes, planTests, type TestRun } from './plan.ts'

describe('the plan of a test run', () => {
  it('has every check of package.json once', () => {
    const text = readFileSync(path.join(projectRoot, 'package.json'), 'utf8')
    const scripts = Object.keys(z.object({ scripts: z.record(z.string(), z.string()) }).parse(JSON.parse(text)).scripts)
    const isCheck = (name: string) => /^check:(?!queue)|:check$|^(lint|typecheck|build)$/.test(name)
    expect(checkLanes.flat().toSorted()).toEqual(scripts.filter(isCheck).toSorted())
  })

  it('has every end-to-end file once for each profile, and the campaign', () => {
    const runs = planTests([], {}).flat(2)
    const chosenBy = ({ args }: TestRun, file: string) => {
      const paths = args.filter((arg) => arg.startsWith('cmd/') && !arg.endsWith('*'))
      const excluded = args.filter((arg) => arg.endsWith('*')).map((arg) => arg.slice(0, -1))
      return paths.some((one) => file.includes(one)) && !excluded.some((one) => file.includes(one))
    }
    const profilesOf = (file: string) =>
      runs.filter((run) => chosenBy(run, file)).flatMap(({ env }) => env['E2E_PROFILES'] ?? ['embedded', 'services'])
    const files = globSync('cmd/**/*.e2e.test.ts', { cwd: projectRoot })
    expect(files.length).toBeGreaterThan(10)
    for (const file of files) expect([file, profilesOf(file).toSorted()]).toEqual([file, ['embedded', 'services']])
    expect(runs[0]?.args).toEqual(['--project', 'unit', '--project', 'services'])
  })

  it('never has two runs on the servers of the environment side by side', () => {
    const usesThem = ({ name, env }: TestRun) => name !== 'chaos' && env['E2E_PROFILES'] !== 'embedded'
    for (const lanes of planTests([], {})) {
      expect(lanes.filter((lane) => lane.some(usesThem)).length).toBeLessThanOrEqual(1)
    }
  })

  it('leaves one run to whoever gives arguments or profiles', () => {
    expect(planTests(['--coverage'], {})).toEqual([[[{ name: 'tests', args: ['--coverage'], env: {} }]]])
    expect(planTests([], { E2E_PROFILES: 'embedded' }).flat(2)).toHaveLength(1)
  })
})
