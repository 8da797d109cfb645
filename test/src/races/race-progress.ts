import { type FaultTally } from './race-journal.js';

const number = (value: number): string => value.toLocaleString('en');

/** What all rounds so far came to; of a race nothing is kept but that it was counted. */
export class RaceProgress {
  private races = 0;
  private sentFirst = 0;
  private refused = 0;
  private afterStop = 0;
  private others = 0;
  private hasProblems = false;

  /** @param planned races of all rounds. */
  constructor(private readonly planned: number) {}

  add({ races, sentFirst, refused, afterStop, others, problems }: FaultTally): void {
    this.races += races;
    this.sentFirst += sentFirst;
    this.refused += refused;
    this.afterStop += afterStop;
    this.others += others;
    this.hasProblems ||= afterStop + others + problems.length > 0;
  }

  /** No violation, and no races that say nothing. */
  get isClean(): boolean {
    return !this.hasProblems;
  }

  /** How many are to come. */
  get left(): number {
    return Math.max(0, this.planned - this.races);
  }

  /** One line. @param megabytes of memory that this process holds. */
  line(megabytes: number): string {
    const percent = ((100 * this.races) / Math.max(1, this.planned)).toFixed(1);
    return [
      `so far ${number(this.races)} of ${number(this.planned)} races (${percent} %)`,
      `sent first ${number(this.sentFirst)}  refused ${number(this.refused)}`,
      `after STOP ${this.afterStop}  other violations ${this.others}  memory ${megabytes.toFixed(0)} MB`,
    ].join('  ');
  }
}
