enum AgentCoreTestsPlaceholder {}
