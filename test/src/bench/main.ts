import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { freePortOffset } from '../house/free-offset.js';
import { ROOT } from '../house/running-platform.js';
import { Random } from '../wire/random.js';
import { type BenchPlan, parseBenchArguments } from './arguments.js';
import { type Cell } from './cell.js';
import { BenchChild } from './child.js';
import { costTable } from './cost-cells.js';
import { type GeneratorAnswer, type GeneratorCommand } from './generator.main.js';
import { goalsOf, tableOf } from './goals.js';
import { MACHINE_CELLS, MachineCells } from './machine-cells.js';
import { describeMachine, stealShare } from './machine.js';
import { type Crew, PLATFORM_CELLS, PlatformCells } from './platform-cells.js';
import { type SinkAnswer, type SinkCommand } from './sink.main.js';
import { summarize } from './summary.js';
import { runProgram } from '../house/run-program.js';

const LOAD_MAX = 0.5;
const SUBJECTS = [...MACHINE_CELLS, ...PLATFORM_CELLS] as const;

async function main(): Promise<void> {
  const plan = parseBenchArguments(process.argv.slice(2), SUBJECTS);
  const machine = describeMachine(ROOT);
  console.log(
    `Seed ${plan.seed}; ${machine.cores} cores, ${machine.cpu}, Node ${machine.node}, commit ${machine.commit}`,
  );
  if (machine.load1 > LOAD_MAX)
    console.log(
      `Warning: the load is ${machine.load1.toFixed(1)} before anything runs; figures will be worse for it.`,
    );
  const crew: Crew = {
    generator: await BenchChild.start<GeneratorCommand, GeneratorAnswer>('generator.main.js'),
    sink: await BenchChild.start<SinkCommand, SinkAnswer>('sink.main.js'),
  };
  const [machineCells, platformCells] = [
    await MachineCells.start(plan),
    new PlatformCells(plan, crew, await freePortOffset()),
  ];
  for (const signal of ['SIGINT', 'SIGTERM'] as const)
    process.once(
      signal,
      () => void Promise.all([platformCells.stop(), machineCells.stop()]).then(() => process.exit(130)),
    );
  try {
    const cells = await runBlocks(plan, crew, machineCells, platformCells);
    const settings = { machine: machineCells.settings, platform: platformCells.settings };
    await report(plan, { machine, settings, cells });
  } finally {
    await machineCells.stop();
    await platformCells.remove(plan.isKept);
    await crew.generator.stop();
    await crew.sink.stop();
  }
}

async function runBlocks(
  plan: BenchPlan,
  crew: Crew,
  machineCells: MachineCells,
  platformCells: PlatformCells,
): Promise<Cell[]> {
  const random = new Random(plan.seed);
  const cells: Cell[] = [];
  const isWanted = (subject: string): boolean => plan.only.length === 0 || plan.only.includes(subject);
  const steal = stealShare();
  const keep = (cell: Cell): void => {
    cells.push(cell);
    console.log(lineOf(cell, steal()));
  };
  for (let block = 0; block < plan.blocks; block++) {
    for (const group of random.shuffled(['machine', 'platform'])) {
      if (group === 'machine') {
        for (const subject of random.shuffled(MACHINE_CELLS.filter(isWanted)))
          keep(await machineCells.run(subject, block, crew.generator));
        continue;
      }
      const subjects = random.shuffled(PLATFORM_CELLS.filter(isWanted));
      if (subjects.length === 0) continue;
      await platformCells.start();
      try {
        for (const subject of subjects) keep(await platformCells.run(subject, block));
      } finally {
        await platformCells.stop();
      }
    }
  }
  return cells;
}

function lineOf({ subject, block, figures, cpuMicros, problems }: Cell, steal: number): string {
  const show = (values: Readonly<Record<string, number>>): string =>
    Object.entries(values)
      .map(([name, value]) => `${name} ${value.toLocaleString('en', { maximumFractionDigits: 1 })}`)
      .join('  ');
  const cpu = Object.keys(cpuMicros).length === 0 ? '' : `  | CPU µs an event: ${show(cpuMicros)}`;
  const notes = [...problems, ...(steal > 0.02 ? [`steal ${(steal * 100).toFixed(0)} %`] : [])];
  return `block ${block + 1}  ${subject.padEnd(10)} ${show(figures)}${cpu}${notes.length > 0 ? `  ! ${notes.join(', ')}` : ''}`;
}

async function report(
  plan: BenchPlan,
  run: { machine: object; settings: object; cells: readonly Cell[] },
): Promise<void> {
  const summary = summarize(run.cells, (run.machine as { cores: number }).cores);
  const folder = join(ROOT, 'bench/results');
  await mkdir(folder, { recursive: true });
  const path = join(folder, `${new Date().toISOString().replace(/[:.]/g, '-')}.json`);
  const goals = summary.measured === undefined ? [] : goalsOf(summary.measured);
  await writeFile(path, `${JSON.stringify({ plan, ...run, ...summary, goals }, null, 2)}\n`);
  if (summary.bound !== undefined) {
    const { flush, loop, cpu, total } = summary.bound;
    const k = (rate: number): string => `${(rate / 1000).toFixed(1)} k/s`;
    console.log(`\nB = min(B_flush ${k(flush)}, B_loop ${k(loop)}, B_cpu ${k(cpu)}) = ${k(total)}`);
  }
  if (goals.length > 0) console.log(`\n${tableOf(goals)}`);
  const costs = costTable(summary.medians, summary.cpuMicros);
  if (costs !== undefined) console.log(`\n${costs}`);
  console.log(`\nAll figures: ${path}`);
}

runProgram(main);
