// `npm run chaos`: the fault runs, on a platform of their own. Arguments: --long --seed N --only F1,C4 --races N --keep.
import { runJudge } from './run-judge.mjs';

runJudge('chaos/main.js');
