import { appendFile, readFile } from 'node:fs/promises';

/** What the races under one fault came to. */
export interface FaultTally {
  /** Of the fault. */
  readonly id: string;
  readonly races: number;
  readonly sentFirst: number;
  readonly refused: number;
  /** Sends that began after an acknowledged STOP. */
  readonly afterStop: number;
  /** Violations of another kind. */
  readonly others: number;
  readonly close: number;
  readonly unclear: number;
  readonly strikes: number;
  /** What made the races say nothing, or less than they should. */
  readonly problems: readonly string[];
}

/** One round, judged. */
export interface RaceRound {
  /** When it was judged, RFC 3339. */
  readonly at: string;
  /** The commit that was running. */
  readonly revision: string;
  readonly seed: number;
  readonly faults: readonly FaultTally[];
}

/** What is said of races that were not close enough to prove anything; a journal tells them from other problems by it. */
export const TOO_FAR = {
  close: (share: string) => `only ${share} were close`,
  first: (who: 'message' | 'STOP', share: string) => `the ${who} was first in only ${share}`,
};
const IS_TOO_FAR = /^(only \S+ % were close|the (message|STOP) was first in only \S+ %)$/;

/** Of earlier rounds: races that were not close are no proof and are run again; whatever else went wrong stays. */
export const countedOf = (rounds: readonly RaceRound[]): FaultTally[] =>
  rounds
    .flatMap(({ faults }) => faults)
    .filter(
      ({ afterStop, others, problems }) =>
        problems.length === 0 || afterStop + others > 0 || !problems.every((each) => IS_TOO_FAR.test(each)),
    );

/** A file with a line of JSON for each round that was judged. One that was cut off is not in it. */
export class RaceJournal {
  constructor(private readonly file: string) {}

  /** @throws Error when a line is not one of ours. */
  async read(): Promise<RaceRound[]> {
    const text = await readFile(this.file, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code === 'ENOENT') return '';
      throw error;
    });
    const lines = text.split('\n').filter((line) => line !== '');
    return lines.map((line, at) => {
      const round = parsed(line);
      if (round === undefined) throw new Error(`${this.file}: line ${at + 1} is not a round of races`);
      return round;
    });
  }

  async append(round: RaceRound): Promise<void> {
    await appendFile(this.file, `${JSON.stringify(round)}\n`);
  }
}

function parsed(line: string): RaceRound | undefined {
  try {
    const round = JSON.parse(line) as RaceRound;
    return round.faults.every(isTally) ? round : undefined;
  } catch {
    return undefined;
  }
}

const isTally = ({ id, races, sentFirst, refused, afterStop, others, problems }: FaultTally): boolean =>
  typeof id === 'string' &&
  [races, sentFirst, refused, afterStop, others].every(Number.isSafeInteger) &&
  Array.isArray(problems);
