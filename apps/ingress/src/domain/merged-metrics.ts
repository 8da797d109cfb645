/** Gauges of a process that make no sense as a sum. */
const LARGEST = /_lag_|_ratio$|_limit|_max_fds/;
const SMALLEST = /_start_time_|_version_info$|_passes$/;
const SAMPLE = /^([a-zA-Z_:][a-zA-Z0-9_:]*)(\{.*\})? (\S+)$/;

interface Family {
  readonly head: string[];
  readonly samples: Map<string, number>;
}

/**
 * The metrics of several processes of one service as those of one.
 * Counters, histograms and depths add up; delays show the worst, start times the first, checks whether all pass.
 * @param texts each in Prometheus' text format, from processes that run the same code.
 */
export function mergedMetrics(texts: readonly string[]): string {
  const families = new Map<string, Family>();
  for (const text of texts) {
    let family: Family | undefined;
    for (const line of text.split('\n')) {
      if (line.startsWith('# ')) family = headed(families, line);
      else addSample(family, line);
    }
  }
  return [...families.values()].flatMap(linesOf).join('\n') + '\n';
}

function headed(families: Map<string, Family>, line: string): Family {
  const name = line.split(' ', 3)[2]!;
  let family = families.get(name);
  if (family === undefined) families.set(name, (family = { head: [], samples: new Map() }));
  if (!family.head.includes(line)) family.head.push(line);
  return family;
}

function addSample(family: Family | undefined, line: string): void {
  const match = SAMPLE.exec(line);
  if (family === undefined || match === null) return;
  const [, name, labels, text] = match as unknown as [string, string, string | undefined, string];
  const key = name + (labels ?? '');
  const value = Number(text.replace('Inf', 'Infinity'));
  const former = family.samples.get(key);
  family.samples.set(key, former === undefined ? value : combined(name, former, value));
}

function combined(name: string, a: number, b: number): number {
  if (LARGEST.test(name)) return Math.max(a, b);
  if (SMALLEST.test(name)) return Math.min(a, b);
  return a + b;
}

function linesOf({ head, samples }: Family): string[] {
  return [...head, ...[...samples].map(([key, value]) => `${key} ${textOf(value)}`)];
}

const textOf = (value: number): string =>
  Number.isFinite(value) ? String(value) : Number.isNaN(value) ? 'NaN' : value > 0 ? '+Inf' : '-Inf';
