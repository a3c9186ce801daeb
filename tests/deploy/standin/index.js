// Stands in for the component that deploys: `s` loads it as it loads fc3, and it only notes down
// what it is given. STANDIN_SCHEMA: the JSON Schema of `props`. STANDIN_INPUTS: the file to write.
const fs = require("fs");

class StandIn {
  async getSchema() {
    const file = process.env.STANDIN_SCHEMA;
    return file ? fs.readFileSync(file, "utf8") : JSON.stringify({ type: "object" });
  }

  async deploy(inputs) {
    fs.writeFileSync(process.env.STANDIN_INPUTS, JSON.stringify(inputs));
  }

  async invoke(inputs) {
    await this.deploy(inputs);
  }
}

module.exports = { default: StandIn };
