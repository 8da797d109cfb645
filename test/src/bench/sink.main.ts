import { type Behaviour, Sink } from '../sink/sink.js';
import { serve } from './child.js';

/** What the sink's process can be told; each is answered. */
export type SinkCommand =
  | { readonly kind: 'url'; readonly destination: string }
  | {
      readonly kind: 'configure';
      readonly destination: string;
      readonly secrets?: readonly string[];
      readonly behaviour?: Behaviour;
    }
  | { readonly kind: 'count' }
  /** Forgets what arrived, and from now on keeps arrivals whose message ID starts with this. */
  | { readonly kind: 'watch'; readonly prefix: string }
  | { readonly kind: 'arrivals' };

export interface SinkAnswer {
  readonly url?: string;
  /** Signed deliveries answered 2xx since the start. */
  readonly count?: number;
  readonly unsigned?: number;
  /** Message ID and time of its first arrival, monotonic milliseconds. */
  readonly arrivals?: readonly (readonly [string, number])[];
}

let [prefix, unsigned] = ['', 0];
let arrivals = new Map<string, number>();

const sink = await Sink.start({
  keepReceipts: false,
  onReceipt: ({ providerMessageId, arrivedMs, isSigned }) => {
    if (!isSigned) unsigned++;
    if (prefix !== '' && providerMessageId.startsWith(prefix) && !arrivals.has(providerMessageId))
      arrivals.set(providerMessageId, arrivedMs);
  },
});

serve<SinkCommand, SinkAnswer>((command) => {
  if (command.kind === 'url') return { url: sink.url(command.destination) };
  if (command.kind === 'configure') {
    sink.configure(command.destination, command);
    return {};
  }
  if (command.kind === 'watch') {
    prefix = command.prefix;
    arrivals = new Map();
    return {};
  }
  return command.kind === 'count' ? { count: sink.accepted, unsigned } : { arrivals: [...arrivals] };
});
