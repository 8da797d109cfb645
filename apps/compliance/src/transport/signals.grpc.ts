import { Controller } from '@nestjs/common';
import { uuidText } from '@posthorn/clock/id.js';
import {
  type ApplySignalsRequest,
  type ApplySignalsResponse,
  type IntakeSignal,
  type SignalServiceController,
  SignalServiceControllerMethods,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { ApplySignals } from '../application/apply-signals.js';
import { invalid } from '../application/edge-tenants.js';
import { type ObservedSignal, type PersonOf, signalOf } from '../domain/observed-signal.js';
import { PersonKeys } from '../domain/person-keys.js';

const SIGNALS_MAX = 256;
const UUID_BYTES = 16;

/** Opt-outs of intake that are not in force with their commit: before the provider hears 2xx. */
@Controller()
@SignalServiceControllerMethods()
export class SignalController implements SignalServiceController {
  constructor(
    private readonly apply: ApplySignals,
    private readonly keys: PersonKeys,
  ) {}

  async applySignals({ signals }: ApplySignalsRequest): Promise<ApplySignalsResponse> {
    if (signals.length > SIGNALS_MAX) throw invalid('signals', `at most ${SIGNALS_MAX}`);
    const who: PersonOf = (tenantId, logHash) => this.keys.person(tenantId, logHash);
    const observed = signals.map((signal) =>
      isNamed(signal) && this.keys.canName(uuidText(signal.tenantId)) ? observedOf(signal, who) : undefined,
    );
    await this.apply.run(observed.filter((signal) => signal !== undefined));
    return { isInForce: observed.map((signal) => signal !== undefined) };
  }
}

const isNamed = ({ tenantId, eventId }: IntakeSignal): boolean =>
  tenantId.length === UUID_BYTES && eventId.length === UUID_BYTES;

/** The same as the fact of that event will give. Undefined when nobody can be told from it. */
function observedOf(signal: IntakeSignal, who: PersonOf): ObservedSignal | undefined {
  return signalOf({ ...signal, type: '', storedAtMs: signal.receivedAtMs }, who);
}
