// The live part of the pages. Each module answers for one thing; the server names them with their hashes.

import "./live.js";
import "./acts.js";
import "./again.js";
import "./login.js";
import "./review.js";
import "./runs.js";
import "./times.js";
import "./turns.js";
