/** Entry of the stand-in as a script of its own, which browser tests put before the page's own. */

import { installFakeShell } from './shell';
import type { Scenario } from './world';

const scenario = (window as unknown as { __scenario?: Scenario }).__scenario ?? 'usual';
installFakeShell(scenario);
