/** One thing to look at before a source goes live. */
export interface Check {
  readonly name:
    | 'active'
    | 'first_event'
    | 'signature'
    | 'secret'
    | 'deduplication'
    | 'recognized'
    | 'processing'
    | 'stop_handling'
    | 'dead_letters'
    | 'alerts'
    | 'replay'
    | 'audit';
  readonly result: 'pass' | 'fail' | 'unknown';
  readonly why: string;
}

/** What is known of a source, its deliveries and its tenant's audit log. Times Unix milliseconds, 0 = never. */
export interface ReadinessFacts {
  readonly status: string;
  /** Lets in what is not authentic. */
  readonly isMonitoring: boolean;
  readonly secrets: readonly { readonly id: string; readonly status: string; readonly matchedAtMs: number }[];
  /** Undefined: the events service does not answer. */
  readonly intake: IntakeFacts | undefined;
  /** Undefined: not known. */
  readonly destinations: number | undefined;
  /** Of events of this source. */
  readonly hasDeadLetters: boolean | undefined;
  /** Of each channel that is set, the state of what was told last; empty = nothing yet. Undefined: not known. */
  readonly notifications:
    readonly { readonly kind: string; readonly lastState: string; readonly detail: string }[] | undefined;
  readonly audit:
    { readonly isValid: boolean; readonly entries: number; readonly isWhole: boolean } | undefined;
}

export interface IntakeFacts {
  readonly firstEventAtMs: number;
  readonly lastEventAtMs: number;
  readonly stored: number;
  readonly duplicate: number;
  readonly unrecognized: number;
  readonly unauthentic: number;
  /** Requests of the last 72 hours. */
  readonly authentic: number;
  /** Of the last request that matched one; empty = none. */
  readonly lastSecretId: string;
  readonly quarantined: number;
  readonly parked: number;
  /** Of the last 72 hours. */
  readonly refused: number;
  readonly lastRefusalAtMs: number;
  readonly optOuts: number;
}

type Verdict = Omit<Check, 'name'>;
const pass = (why: string): Verdict => ({ result: 'pass', why });
const fail = (why: string): Verdict => ({ result: 'fail', why });
const unknown = (why: string): Verdict => ({ result: 'unknown', why });
const SILENT = unknown('the service that knows does not answer');
/** Percent. Who posts anything at all can have requests refused, so it is not all of them. */
const AUTHENTIC_SHARE_MIN = 95;
const NOTHING = 'nothing has come through it yet';
const at = (ms: number): string => new Date(ms).toISOString();

/** The go-live checklist of a source. What only real traffic can show is unknown until there is some. */
export function judgeReadiness(facts: ReadinessFacts): Check[] {
  const ofIntake = (judge: (intake: IntakeFacts) => Verdict): Verdict =>
    facts.intake === undefined ? SILENT : judge(facts.intake);
  const checks: Readonly<Record<Check['name'], Verdict>> = {
    active:
      facts.status === 'active' ? pass('it takes and processes requests') : fail(`it is ${facts.status}`),
    first_event: ofIntake(({ firstEventAtMs }) =>
      firstEventAtMs === 0 ? fail(NOTHING) : pass(`the first one came at ${at(firstEventAtMs)}`),
    ),
    signature: ofIntake((intake) => signature(intake, facts.isMonitoring)),
    secret: ofIntake((intake) => secret(intake, facts.secrets)),
    deduplication: ofIntake(({ duplicate }) =>
      duplicate === 0
        ? unknown('no event has come twice yet')
        : pass(`${duplicate} events came again and were recognized`),
    ),
    recognized: ofIntake(({ stored, unrecognized }) => {
      if (stored === 0) return unknown(NOTHING);
      return unrecognized === 0
        ? pass(`all ${stored} events were understood`)
        : fail(`${unrecognized} of ${stored} events were not understood: see drift`);
    }),
    processing: ofIntake(processing),
    stop_handling: ofIntake(({ optOuts }) =>
      optOuts === 0
        ? unknown('no opt-out has come through it yet')
        : pass(`${optOuts} opt-outs were recognized`),
    ),
    dead_letters: deadLetters(facts),
    alerts: alerts(facts.notifications),
    replay: unknown('no replay of its events has been tried'),
    audit: audit(facts.audit),
  };
  return Object.entries(checks).map(([name, verdict]) => ({ name: name as Check['name'], ...verdict }));
}

function signature(intake: IntakeFacts, isMonitoring: boolean): Verdict {
  const { stored, unauthentic, authentic, refused, lastRefusalAtMs, lastEventAtMs } = intake;
  if (isMonitoring)
    return fail(`it only monitors: ${unauthentic} of ${stored} events were let in although not authentic`);
  if (refused > 0 && lastRefusalAtMs > lastEventAtMs)
    return fail(`${refused} requests are refused, the last one at ${at(lastRefusalAtMs)}: see refusals`);
  if (stored === 0) return unknown(NOTHING);
  const requests = authentic + refused;
  if (requests === 0) return unknown('no request has come in the last 72 hours');
  const share = Math.floor((authentic / requests) * 1_000) / 10;
  const told = `${authentic} of ${requests} requests of the last 72 hours were authentic (${share} %)`;
  return share < AUTHENTIC_SHARE_MIN ? fail(`${told}: see refusals`) : pass(told);
}

function secret({ lastSecretId }: IntakeFacts, secrets: ReadinessFacts['secrets']): Verdict {
  if (secrets.length === 0) return unknown('it has no secret');
  const matched = secrets.reduce((last, next) => (next.matchedAtMs > last.matchedAtMs ? next : last));
  const last =
    matched.matchedAtMs > 0 ? matched : secrets.find(({ id }) => lastSecretId !== '' && id === lastSecretId);
  if (last === undefined) return unknown('none of its secrets has matched a request yet');
  return last.status === 'current'
    ? pass(`the last request was signed with the current one, ${last.id}`)
    : fail(`the provider still signs with the previous one, ${last.id}, which will expire`);
}

function processing({ stored, quarantined, parked }: IntakeFacts): Verdict {
  if (quarantined > 0) return fail(`${quarantined} events are in quarantine`);
  if (parked > 0) return fail(`${parked} events wait because it is, or was, paused`);
  return stored === 0 ? unknown(NOTHING) : pass('no event waits or is in quarantine');
}

function deadLetters({ destinations, hasDeadLetters }: ReadinessFacts): Verdict {
  if (hasDeadLetters === undefined || destinations === undefined) return SILENT;
  if (hasDeadLetters)
    return fail('there are deliveries of its events that nobody could be given: see dead letters');
  return destinations === 0 ? unknown('no destination gets its events') : pass('there are none');
}

function alerts(channels: ReadinessFacts['notifications']): Verdict {
  if (channels === undefined) return SILENT;
  if (channels.length === 0)
    return fail(
      'no notifications are set: nobody would be told of a disabled destination or a source that fails',
    );
  const broken = channels.filter(({ lastState }) => lastState === 'dropped');
  if (broken.length > 0)
    return fail(
      broken.map(({ kind, detail }) => `the last one by ${kind} was not taken: ${detail}`).join('; '),
    );
  return pass(`its owner is told by ${channels.map(({ kind }) => kind).join(' and ')}`);
}

function audit(verdict: ReadinessFacts['audit']): Verdict {
  if (verdict === undefined) return SILENT;
  if (!verdict.isValid) return fail('the audit log does not verify');
  return verdict.isWhole
    ? pass(`all ${verdict.entries} entries of the audit log verify`)
    : unknown(`the first ${verdict.entries} entries of the audit log verify; it goes on`);
}
