import { parseArgs } from 'node:util';
import { ArgumentError } from '../house/run-program.js';

/** What the command line of a run on a cluster says. */
export interface ClusterArguments {
  /** The images are `<repository>/<service>:<tag>`. */
  readonly repository: string;
  /** The version that is installed, and rolled back to. */
  readonly from: string;
  /** The version that is upgraded to. */
  readonly to: string;
  readonly postgres: string;
  readonly nats: string;
  /** Brings one image to the cluster: a shell command in which `{image}` stands for its name. Empty: they are there. */
  readonly import: string;
  /** An address of no private range under which pods reach this machine: deliveries go there. */
  readonly sinkAddress: string;
  /** Where the Service of ingress answers this machine. Empty: at its cluster address. */
  readonly ingressUrl: string;
  /** More values for the chart. */
  readonly values: readonly string[];
  readonly namespace: string;
  readonly ratePerSecond: number;
  readonly seed: number;
  readonly isKept: boolean;
}

const USAGE = `usage: KUBECONFIG=… npm run test:cluster -- --from TAG --to TAG --sink-address IP
  [--repository R] [--postgres IMAGE] [--nats IMAGE] [--import 'COMMAND {image}'] [--ingress-url URL]
  [--values FILE]… [--namespace N] [--rate N] [--seed N] [--keep]`;
const RATE_MAX = 10_000;

/** @throws ArgumentError with the usage. */
export function parseClusterArguments(args: readonly string[]): ClusterArguments {
  const values = parsed(args);
  const [ratePerSecond, seed] = [Number(values.rate), Number(values.seed)];
  if (!(ratePerSecond >= 1 && ratePerSecond <= RATE_MAX))
    throw new ArgumentError(`--rate takes 1 to ${RATE_MAX}\n${USAGE}`);
  if (!Number.isSafeInteger(seed) || seed < 0) throw new ArgumentError(`--seed takes a number\n${USAGE}`);
  const { from = '', to = '', 'sink-address': sinkAddress = '' } = values;
  if (from === '' || to === '' || sinkAddress === '')
    throw new ArgumentError(`--from, --to and --sink-address are needed\n${USAGE}`);
  if (from === to)
    throw new ArgumentError(`--from and --to are the same: nothing would be upgraded\n${USAGE}`);
  const command = values.import;
  if (command !== '' && !command.includes('{image}'))
    throw new ArgumentError(`--import names no {image}\n${USAGE}`);
  const { repository, postgres, nats, namespace, keep: isKept, 'ingress-url': ingressUrl } = values;
  return {
    ...{ repository, from, to, postgres, nats, import: command, sinkAddress, ingressUrl },
    ...{ values: values.values, namespace, ratePerSecond, seed, isKept },
  };
}

function parsed(args: readonly string[]) {
  try {
    return parseArgs({
      args: [...args],
      options: {
        repository: { type: 'string', default: 'localhost/posthorn' },
        from: { type: 'string' },
        to: { type: 'string' },
        postgres: { type: 'string', default: 'postgres:17' },
        nats: { type: 'string', default: 'nats:2' },
        import: { type: 'string', default: '' },
        'sink-address': { type: 'string' },
        'ingress-url': { type: 'string', default: '' },
        values: { type: 'string', multiple: true, default: [] },
        namespace: { type: 'string', default: 'posthorn-trial' },
        rate: { type: 'string', default: '50' },
        seed: { type: 'string', default: String(Math.floor(Math.random() * 1e9)) },
        keep: { type: 'boolean', default: false },
      },
    }).values;
  } catch (error) {
    throw new ArgumentError(`${(error as Error).message}\n${USAGE}`, { cause: error });
  }
}
