import type { Pressure } from '../domain/projection-pause.js';
import type { AppendRequests } from './append-requests.js';
import type { MachineLoad } from './machine-load.js';

/**
 * How much what else this process does should leave to intake.
 * Why both: many requests under way may wait for a disk, which resting does not help; and a machine may be busy with
 * the projection itself.
 */
export class IntakePressure {
  constructor(
    private readonly append: Pick<AppendRequests, 'pressure'>,
    private readonly machine: Pick<MachineLoad, 'isBusy'>,
  ) {}

  get pressure(): Pressure {
    const { pressure } = this.append;
    return pressure === 'high' && !this.machine.isBusy ? 'some' : pressure;
  }
}
