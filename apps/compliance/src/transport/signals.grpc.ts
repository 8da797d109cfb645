import { Controller } from '@nestjs/common';
import {
  type ApplySignalsRequest,
  type ApplySignalsResponse,
  type IntakeSignal,
  type SignalServiceController,
  SignalServiceControllerMethods,
} from '@posthorn/contracts/posthorn/compliance/v1/compliance.js';
import { ApplySignals } from '../application/apply-signals.js';
import { invalid } from '../application/edge-tenants.js';
import { type ObservedSignal, signalOf } from '../domain/observed-signal.js';

const SIGNALS_MAX = 256;
const UUID_BYTES = 16;

/** Opt-outs of intake, before the provider hears 2xx. */
@Controller()
@SignalServiceControllerMethods()
export class SignalController implements SignalServiceController {
  constructor(private readonly apply: ApplySignals) {}

  async applySignals({ signals }: ApplySignalsRequest): Promise<ApplySignalsResponse> {
    if (signals.length > SIGNALS_MAX) throw invalid('signals', `at most ${SIGNALS_MAX}`);
    const observed = signals.map(observedOf);
    await this.apply.run(observed.filter((signal) => signal !== undefined));
    return { isInForce: observed.map((signal) => signal !== undefined) };
  }
}

/** The same as the fact of that event will give. Undefined when nobody can be told from it. */
function observedOf(signal: IntakeSignal): ObservedSignal | undefined {
  if (signal.tenantId.length !== UUID_BYTES || signal.eventId.length !== UUID_BYTES) return undefined;
  return signalOf({ ...signal, type: '', storedAtMs: signal.receivedAtMs });
}
